{{ config(enabled=adreel_has_level('advertiser')) }}

{{ adreel_daily('advertiser') }}
