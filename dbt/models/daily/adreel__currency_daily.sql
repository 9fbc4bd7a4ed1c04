{{ adreel_currency_daily() }}
