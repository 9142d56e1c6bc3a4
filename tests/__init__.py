"""Tests of the product, by layer."""
