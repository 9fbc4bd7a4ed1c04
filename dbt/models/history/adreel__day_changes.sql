{{ config(enabled=var('adreel_history')) }}

{{ adreel_day_changes() }}
