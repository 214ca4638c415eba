"""The admin's pages for rewards. Importing the package registers them."""

from rewards.admin import catalogue, grid, pools, reconciliation

__all__ = ["catalogue", "grid", "pools", "reconciliation"]
