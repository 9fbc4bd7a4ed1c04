"""The invented world behind the endpoints: ad accounts, ads, days and figures."""
