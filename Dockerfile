# One image for every process of the service; docker-compose.yml says which each container runs.
# It needs no writable file system but /tmp, and for uploads a volume; and no rights: any user may
# run it.
ARG PYTHON=python:3.13-slim-bookworm

FROM ${PYTHON} AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.txt /tmp/
# Wheels only: what is not built beforehand would need a compiler, and run code of its own.
RUN /opt/venv/bin/pip install --require-hashes --only-binary=:all: -r /tmp/requirements.txt

FROM ${PYTHON}
# A volume that is mounted where trading points' files lie begins with this folder's owner.
RUN groupadd --gid 10001 hostsvc \
    && useradd --uid 10001 --gid hostsvc --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin hostsvc \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/hostsvc/files /var/spool/hostsvc
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=hostsvc.settings
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/hostsvc
COPY manage.py ./
COPY hostsvc ./hostsvc
COPY tenants ./tenants
COPY messaging ./messaging
# Compiled here, as nothing can be written there later.
RUN python -m compileall -q .
USER 10001:10001
