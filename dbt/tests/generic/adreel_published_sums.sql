{#- Each column of a published table has the values and the sum that adreel verified there. -#}
{% test adreel_published_sums(model, source_name, only='1 = 1') %}
{%- set relation = source('adreel', source_name) %}
{%- set columns = adreel_columns(relation) %}
with sums as (
  select
    count(*) as row_count
    {%- for column in columns -%}
    {%- set name = adapter.quote(column.name) -%}
    ,
    count({{ name }}) as count_{{ loop.index }},
    {% if adreel_type(column) in ('number', 'whole') -%} cast(sum({{ name }}) as decimal(38, 6))
    {%- elif adreel_type(column) == 'text' -%} cast(sum(char_length({{ name }})) as decimal(38, 6))
    {%- elif adreel_type(column) == 'flag' -%} cast(sum(case when {{ name }} then 1 else 0 end) as decimal(38, 6))
    {%- else -%} cast(null as decimal(38, 6))
    {%- endif %} as sum_{{ loop.index }}
    {%- endfor %}
  from {{ model }}
  where {{ only }}
),
actual as (
  {%- for column in columns %}
  select '{{ column.name }}' as column_name, count_{{ loop.index }} as value_count, sum_{{ loop.index }} as value_sum
  from sums
  {{ 'union all' if not loop.last }}
  {%- else %}
  select cast(null as varchar) as column_name, 0 as value_count, 0 as value_sum from sums
  {%- endfor %}
),
expected as (
  select column_name, value_count, value_sum from {{ source('adreel', 'figures') }}
  where table_name = '{{ relation.identifier }}'
)
select
  coalesce(actual.column_name, expected.column_name) as column_name,
  actual.value_count as values_here,
  expected.value_count as values_of_version,
  actual.value_sum as sum_here,
  expected.value_sum as sum_of_version
from actual full outer join expected on actual.column_name = expected.column_name
where coalesce(actual.value_count, 0) <> coalesce(expected.value_count, 0)
  or (expected.value_sum is not null and (actual.value_sum is null or actual.value_sum <> expected.value_sum))
{% endtest %}
