"""What every driver promises, as tests that an installed driver can be put to.

python -m pytest --pyargs platectl.conformance --driver NAME

A driver is enrolled by an entry point `NAME` in the group `platectl.scenes`: a function that plays
one verb of the driver before its simulator on a `Stage` and returns the `Scene`.
"""
