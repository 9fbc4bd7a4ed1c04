{{ config(enabled=adreel_has_level('ad')) }}

{{ adreel_staging('ad') }}
