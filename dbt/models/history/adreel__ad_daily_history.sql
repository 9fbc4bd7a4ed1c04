{{ config(enabled=adreel_has_history('ad')) }}

{{ adreel_daily_history('ad') }}
