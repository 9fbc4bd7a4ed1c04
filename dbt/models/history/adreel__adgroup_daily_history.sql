{{ config(enabled=adreel_has_history('adgroup')) }}

{{ adreel_daily_history('adgroup') }}
