PLUGINS = [
    "outflow.management",
    "tuto.data_reduction",
    "tuto.earlier_parts",
]
