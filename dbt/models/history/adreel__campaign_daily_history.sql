{{ config(enabled=adreel_has_history('campaign')) }}

{{ adreel_daily_history('campaign') }}
