{#- The sums of all additive metrics, in each currency, are those of a published table. -#}
{% test adreel_same_sums(model, source_name, suffix='', day='day') %}
{%- set relation = source('adreel', source_name) %}
{%- set names = adreel_additive(relation) | map(attribute='name') | list %}
with here as (
  select
    currency, {{ day }} as day
    {%- for name in names -%}
    , cast(coalesce(sum({{ adapter.quote(name ~ suffix) }}), 0) as decimal(38, 6)) as {{ adapter.quote(name) }}
    {%- endfor %}
  from {{ model }}
  group by currency, {{ day }}
  {{ adreel_not_zero(names, suffix) if suffix }}
),
published as (
  select
    currency, stat_time_day as day
    {%- for name in names -%}
    , cast(coalesce(sum({{ adapter.quote(name) }}), 0) as decimal(38, 6)) as {{ adapter.quote(name) }}
    {%- endfor %}
  from {{ relation }}
  group by currency, stat_time_day
  {{ adreel_not_zero(names, '') if suffix }}
)
select 'here' as side, differing.* from (select * from here except select * from published) as differing
union all
select 'published' as side, differing.* from (select * from published except select * from here) as differing
{% endtest %}
