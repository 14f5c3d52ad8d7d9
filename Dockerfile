# The mock servers as an image:
#
#   docker build --tag callmocks .
#   docker run --rm --read-only -p 8080:8080 -p 8086:8086 -p 8087:8087 -p 8088:8088 callmocks
#
# BASE may be any image that has Python 3.11 or newer with its venv module.
# Where packages come through a proxy or from an index of one's own, pip's configuration and a CA
# bundle are handed over as secrets, which leave no trace in the image:
#
#   docker build --secret id=pip,src=pip.conf --secret id=ca,src=ca.pem --tag callmocks .
ARG BASE=docker.io/library/python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY schemas schemas
COPY fixtures fixtures
COPY docs/assistants.md docs/llms.txt docs/llms-full.txt docs/
COPY mocks mocks
# The modules are compiled here, since nothing can be written where they run.
RUN --mount=type=secret,id=pip --mount=type=secret,id=ca \
    export PIP_CONFIG_FILE=/run/secrets/pip \
 && if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
 && python3 -m venv /opt/callmocks \
 && /opt/callmocks/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check \
        --use-pep517 --constraint constraints.txt '.[audio,redis,tls]' tzdata \
 && /opt/callmocks/bin/python -m pip uninstall --quiet --yes pip setuptools

FROM ${BASE}
LABEL org.opencontainers.image.title="callmocks" \
      org.opencontainers.image.description="Mock servers of three telephony providers" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/callmocks /opt/callmocks
ENV PATH=/opt/callmocks/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    CALLMOCKS_HOST=0.0.0.0
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
EXPOSE 8080 8086 8087 8088
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python3", "-m", "callmocks.server.healthcheck"]
ENTRYPOINT ["python3", "-m", "callmocks"]
CMD ["serve"]
