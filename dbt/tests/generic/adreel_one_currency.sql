{#- All rows that are summed have one currency, and each row has one. -#}
{% test adreel_one_currency(model, group_by) %}
select {{ group_by | join(', ') }}, min(currency) as first_currency, max(currency) as last_currency
from {{ model }}
group by {{ group_by | join(', ') }}
having count(distinct currency) > 1 or count(currency) < count(*)
{% endtest %}
