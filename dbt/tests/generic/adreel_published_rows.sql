{#- A published table has as many rows as the version that adreel verified there. -#}
{% test adreel_published_rows(model, source_name, only='1 = 1') %}
{%- set table = source('adreel', source_name).identifier %}
with actual as (select count(*) as row_count from {{ model }} where {{ only }}),
expected as (
  select max(row_count) as row_count from {{ source('adreel', 'tables') }} where table_name = '{{ table }}'
)
select actual.row_count as rows_here, expected.row_count as rows_of_version
from actual cross join expected
where expected.row_count is null or actual.row_count <> expected.row_count
{% endtest %}
