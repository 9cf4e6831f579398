"""The widget kit: panels, background work, forms, plots, uploads. It knows no audio model."""
