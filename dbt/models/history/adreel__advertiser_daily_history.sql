{{ config(enabled=adreel_has_history('advertiser')) }}

{{ adreel_daily_history('advertiser') }}
