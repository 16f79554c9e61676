"""Speak HTTP as the API does: requests, responses, credentials, Idempotency-Keys, faults and webhook deliveries."""
