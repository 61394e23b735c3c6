# Build stage: one wheel, its speedups compiled by the locked Cython, and the locked dependencies beside it.
FROM python:3.12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
RUN python -m venv /opt/build && python -m venv /opt/omniroute
COPY requirements requirements
RUN /opt/build/bin/pip install --no-cache-dir -r requirements/build.lock \
 && /opt/omniroute/bin/pip install --no-cache-dir -r requirements/runtime.lock
COPY . .
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /opt/wheels . \
 && /opt/omniroute/bin/pip install --no-cache-dir --no-deps /opt/wheels/*.whl

# Run stage: non-root, nothing writable but the volume. Run it with --read-only --tmpfs /tmp.
FROM python:3.12-slim
RUN useradd --uid 10001 --create-home --home-dir /data --shell /usr/sbin/nologin omniroute && chmod 0700 /data
COPY --from=build /opt/omniroute /opt/omniroute
ENV PATH=/opt/omniroute/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OMNIROUTE_HOST=0.0.0.0 \
    OMNIROUTE_DATA_DIR=/data \
    OMNIROUTE_LOG_FORMAT=json
USER 10001
VOLUME /data
EXPOSE 20128
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=15s CMD ["omniroute", "doctor", "--ready"]
ENTRYPOINT ["omniroute"]
CMD ["serve"]
