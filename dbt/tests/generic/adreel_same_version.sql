{#- A history is that of the version that its table has. -#}
{% test adreel_same_version(model, source_name) %}
{%- set table = source('adreel', source_name).identifier %}
select newest.version, history.version as version_of_history
from (select * from {{ source('adreel', 'tables') }} where table_name = '{{ table }}') as newest
left join (select * from {{ source('adreel', 'tables') }} where table_name = '{{ table }}_history') as history
  on history.run_id = newest.run_id
where history.run_id is null and exists (select 1 from {{ model }})
{% endtest %}
