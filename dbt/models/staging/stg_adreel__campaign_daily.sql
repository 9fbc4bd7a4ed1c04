{{ config(enabled=adreel_has_level('campaign')) }}

{{ adreel_staging('campaign') }}
