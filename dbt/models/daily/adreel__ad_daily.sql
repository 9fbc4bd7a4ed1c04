{{ config(enabled=adreel_has_level('ad')) }}

{{ adreel_daily('ad') }}
