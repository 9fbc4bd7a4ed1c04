{{ config(enabled=adreel_has_level('adgroup')) }}

{{ adreel_daily('adgroup') }}
