{#- Rates by name that the columns allow: those of the table, and the usual ones. -#}
{%- macro adreel_rates_of(names) -%}
  {%- set usual = ['ctr', 'cpc', 'cpm', 'cost_per_conversion', 'conversion_rate_v2'] -%}
  {%- set rates = {} -%}
  {%- for name, parts in adreel_rates().items() if name in names or name in usual -%}
    {%- if parts[0] in names and parts[1] in names -%}
      {%- do rates.update({name: parts}) -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(rates) }}
{%- endmacro -%}

{#- A rate from its parts, which are columns of a row or sums; null for a division by zero. -#}
{%- macro adreel_rate(numerator, denominator, scale) -%}
  cast({{ scale }}.0 * {{ numerator }} / nullif({{ denominator }}, 0) as decimal(24, 6))
{%- endmacro -%}
