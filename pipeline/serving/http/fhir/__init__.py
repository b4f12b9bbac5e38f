"""FHIR R4: a Bundle of resources in, a RiskAssessment out.

May import what `serving.http` may; of the service, only its routes and CDS Hooks import it.
"""
