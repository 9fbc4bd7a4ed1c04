{{ config(enabled=adreel_has_level('campaign')) }}

{{ adreel_daily('campaign') }}
