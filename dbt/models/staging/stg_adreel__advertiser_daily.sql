{{ config(enabled=adreel_has_level('advertiser')) }}

{{ adreel_staging('advertiser') }}
