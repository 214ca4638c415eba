"""The admin's pages for rewards. Importing the package registers them."""

from rewards.admin import campaigns, catalogue, grid, pools, reconciliation

__all__ = ["campaigns", "catalogue", "grid", "pools", "reconciliation"]
