{#- Makes a model wait for the tests that compare its source with the published figures: dbt skips a model for a failed
    test only if the model depends on all that the test reads. -#}
{%- macro adreel_wait_for_tests() -%}
  {%- for table in ('tables', 'figures', 'days') -%}
    {%- do source('adreel', table) -%}
  {%- endfor -%}
{%- endmacro -%}

{#- The published rows of a level: one for each entity and day of its ad account. -#}
{%- macro adreel_staging(level) -%}
{%- do adreel_wait_for_tests() -%}
{%- set relation = source('adreel', level ~ '_daily') -%}
select
  {% for name in adreel_names(relation) -%}
  {{ adapter.quote(name) }}{{ ' as day' if name == 'stat_time_day' }}{{ ',' if not loop.last }}
  {% else -%}
  *
  {% endfor -%}
from {{ relation }}
{%- endmacro -%}

{#- The rows of a level with rates that are computed from their parts. -#}
{%- macro adreel_daily(level) -%}
{%- set names = adreel_names(source('adreel', level ~ '_daily')) -%}
{%- set rates = adreel_rates_of(names) -%}
select
  {{ adreel_key(level) | join(',\n  ') }},
  day
  {%- for name in names if name not in adreel_key(level) and name != 'stat_time_day' and name not in rates -%}
  ,
  {{ adapter.quote(name) }}
  {%- endfor -%}
  {%- for name, parts in rates.items() -%}
  ,
  {{ adreel_rate(adapter.quote(parts[0]), adapter.quote(parts[1]), parts[2]) }} as {{ adapter.quote(name) }}
  {%- endfor %}
from {{ ref('stg_adreel__' ~ level ~ '_daily') }}
{%- endmacro -%}

{#- Each step of the history of a level: a row of an entity and day as a version had it, and what it changed. -#}
{%- macro adreel_daily_history(level) -%}
{%- do adreel_wait_for_tests() -%}
{%- set relation = source('adreel', level ~ '_daily_history') -%}
{%- set names = adreel_names(relation) -%}
{%- set additive = adreel_additive(relation) | map(attribute='name') | list -%}
{%- set keys = adreel_key(level) + ['stat_time_day', 'currency'] -%}
{%- set attributes = adreel_attributes() -%}
with versions as (
  select * from {{ relation }}
)
select
  {% for name in keys -%}
  coalesce(current_row.{{ name }}, previous_row.{{ name }}) as {{ 'day' if name == 'stat_time_day' else name }},
  {% endfor -%}
  coalesce(current_row._from_version, previous_row._to_version) as version,
  coalesce(current_row._from_time, previous_row._to_time) as version_at,
  coalesce(current_row._from_kind, previous_row._to_kind) as kind,
  previous_row._from_version as previous_version,
  current_row._to_version as next_version,
  current_row._from_version is null as is_removed
  {%- for name in names if name not in keys -%}
  {%- set column = adapter.quote(name) -%}
  {%- if name in additive -%}
  ,
  current_row.{{ column }},
  coalesce(current_row.{{ column }}, 0) - coalesce(previous_row.{{ column }}, 0) as {{ adapter.quote(name ~ '_change') }}
  {%- elif name in attributes -%}
  ,
  coalesce(current_row.{{ column }}, previous_row.{{ column }}) as {{ column }}
  {%- else -%}
  ,
  current_row.{{ column }}
  {%- endif -%}
  {%- endfor %}
from versions as current_row
full outer join versions as previous_row
  on current_row._from_version = previous_row._to_version
  {%- for name in keys %}
  and current_row.{{ name }} = previous_row.{{ name }}
  {%- endfor %}
where coalesce(current_row._from_version, previous_row._to_version) is not null
{%- endmacro -%}

{#- Sums of all ad accounts by currency and day, of the coarsest level that is published. -#}
{%- macro adreel_currency_daily() -%}
{%- set level = adreel_level_of_sums() -%}
{%- set additive = adreel_additive(source('adreel', level ~ '_daily')) -%}
{%- set names = additive | map(attribute='name') | list -%}
select
  currency,
  day,
  count(distinct advertiser_id) as advertisers
  {%- for column in additive -%}
  ,
  {{ adreel_sum(column) }} as {{ adapter.quote(column.name) }}
  {%- endfor -%}
  {%- for name, parts in adreel_rates_of(names).items() -%}
  ,
  {{ adreel_rate('sum(' ~ adapter.quote(parts[0]) ~ ')', 'sum(' ~ adapter.quote(parts[1]) ~ ')', parts[2]) }} as {{ adapter.quote(name) }}
  {%- endfor %}
from {{ ref('adreel__' ~ level ~ '_daily') }}
group by currency, day
{%- endmacro -%}

{#- By how much each version changed each day of an ad account; the rows of the first version are no changes. -#}
{%- macro adreel_day_changes() -%}
{%- set level = adreel_level_of_changes() -%}
select
  version,
  version_at,
  kind,
  advertiser_id,
  currency,
  day,
  count(*) as rows_changed
  {%- for column in adreel_additive(source('adreel', level ~ '_daily_history')) -%}
  {%- set change = adapter.quote(column.name ~ '_change') -%}
  ,
  {{ adreel_sum(column, change) }} as {{ change }}
  {%- endfor %}
from {{ ref('adreel__' ~ level ~ '_daily_history') }}
where kind <> 'first'
group by version, version_at, kind, advertiser_id, currency, day
{%- endmacro -%}

{#- Of changes, days whose rows are all gone add up to zero, and are not in the table. -#}
{%- macro adreel_not_zero(names, suffix) -%}
  having {% for name in names -%} sum({{ adapter.quote(name ~ suffix) }}) <> 0 {{ 'or ' if not loop.last }}
  {%- else -%} true {%- endfor -%}
{%- endmacro -%}
