"""The risk model: trees and linear learners on the therapy prior, calibrated, as text.

It may import ``features`` and what lies below.
"""
