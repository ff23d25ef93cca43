"""The JSON of the REST skin, one module a subject; field by field the messages of protos/maskgate/v1."""
