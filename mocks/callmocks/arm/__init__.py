"""ECSS-10 operator workplace (ARM): ``operator_call_history`` over frames and over HTTP."""
