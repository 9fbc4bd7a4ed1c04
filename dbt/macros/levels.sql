{#- The levels of the package, and what their tables have. -#}

{%- macro adreel_has_level(level) -%}
  {{ return(level in var('adreel_levels')) }}
{%- endmacro -%}

{%- macro adreel_has_history(level) -%}
  {{ return(var('adreel_history') and adreel_has_level(level)) }}
{%- endmacro -%}

{#- The level whose rows are summed for all ad accounts: the coarsest one, or the finest one for changes. -#}
{%- macro adreel_level_of_sums() -%}
  {%- set levels = ['advertiser', 'campaign', 'adgroup', 'ad'] | select('in', var('adreel_levels')) | list -%}
  {{ return(levels | first) }}
{%- endmacro -%}

{%- macro adreel_level_of_changes() -%}
  {%- set levels = ['ad', 'adgroup', 'campaign', 'advertiser'] | select('in', var('adreel_levels')) | list -%}
  {{ return(var('adreel_changes_level', none) or levels | first) }}
{%- endmacro -%}

{#- The primary key of a level's models, without the day. -#}
{%- macro adreel_key(level) -%}
  {{ return(['advertiser_id'] if level == 'advertiser' else ['advertiser_id', level ~ '_id']) }}
{%- endmacro -%}

{#- The columns of a published table without adreel's own, in their order; none while dbt only parses. -#}
{%- macro adreel_columns(relation) -%}
  {%- set columns = [] -%}
  {%- if execute -%}
    {%- for column in adapter.get_columns_in_relation(relation) if not column.name.startswith('_') -%}
      {%- do columns.append(column) -%}
    {%- endfor -%}
    {%- if not columns -%}
      {{ exceptions.raise_compiler_error(
        'There is no table ' ~ relation ~ '. Publish the dataset with adreel, or change the variables adreel_schema, '
        ~ 'adreel_levels and adreel_' ~ 'LEVEL_table.') }}
    {%- endif -%}
  {%- endif -%}
  {{ return(columns) }}
{%- endmacro -%}

{%- macro adreel_names(relation) -%}
  {{ return(adreel_columns(relation) | map(attribute='name') | list) }}
{%- endmacro -%}

{#- The additive metrics among the columns of a table. -#}
{%- macro adreel_additive(relation) -%}
  {%- set additive = adreel_additive_metrics() -%}
  {{ return(adreel_columns(relation) | selectattr('name', 'in', additive) | list) }}
{%- endmacro -%}

{#- What a column is to sums: number, whole, text, flag, or other. -#}
{%- macro adreel_type(column) -%}
  {%- set type = column.dtype | lower -%}
  {%- if type.endswith('[]') or type == 'array' -%}{{ return('other') }}
  {%- elif type.startswith(('bigint', 'int', 'hugeint')) -%}{{ return('whole') }}
  {%- elif type.startswith(('decimal', 'numeric')) -%}{{ return('number') }}
  {%- elif type.startswith(('varchar', 'text', 'character')) -%}{{ return('text') }}
  {%- elif type.startswith('bool') -%}{{ return('flag') }}
  {%- else -%}{{ return('other') }}
  {%- endif -%}
{%- endmacro -%}

{#- A sum of an additive metric, of its own type: counts stay whole numbers, money is exact. -#}
{%- macro adreel_sum(column, expression=none) -%}
  {%- set type = 'bigint' if adreel_type(column) == 'whole' else 'decimal(24, 6)' -%}
  cast(sum({{ expression or adapter.quote(column.name) }}) as {{ type }})
{%- endmacro -%}
