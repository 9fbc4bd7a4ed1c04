{#- Each day of a published table has as many rows, in each currency, as in the version that adreel verified there. -#}
{% test adreel_published_days(model, source_name, day='stat_time_day', only='1 = 1') %}
{%- set table = source('adreel', source_name).identifier %}
with actual as (
  select {{ day }} as day, currency, count(*) as row_count from {{ model }} where {{ only }} group by {{ day }}, currency
),
expected as (
  select day, currency, row_count from {{ source('adreel', 'days') }} where table_name = '{{ table }}'
)
select 'here' as side, differing.* from (select * from actual except select * from expected) as differing
union all
select 'published' as side, differing.* from (select * from expected except select * from actual) as differing
{% endtest %}
