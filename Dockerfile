# One image for web, worker, beat and the one-off migrate; docker-compose.yml says which of them it is.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

RUN groupadd --system --gid 10001 loyalty \
    && useradd --system --uid 10001 --gid loyalty --home-dir /nonexistent --shell /usr/sbin/nologin loyalty

WORKDIR /app
COPY requirements.txt ./
RUN pip install --require-hashes -r requirements.txt
COPY manage.py ./
COPY loyalty ./loyalty
COPY rewards ./rewards
COPY platforms ./platforms
COPY templates ./templates

# The settings want every variable of production; collecting files uses none of these values, and none is kept.
RUN LOYALTY_ENV=production PUBLIC_URL=https://build.invalid \
    SECRET_KEY=for-the-build-only-0123456789-0123456789-0123456789-0123456789 \
    CREDENTIALS_KEYS=Zm9yLXRoZS1idWlsZC1vbmx5LTAxMjM0NTY3ODktMDE= \
    DATABASE_URL=postgres://build:build@build.invalid/build REDIS_URL=redis://build.invalid/0 \
    EMAIL_URL=smtp+tls://build.invalid:587 \
    python manage.py collectstatic --no-input

USER loyalty
EXPOSE 8000
CMD ["gunicorn", "loyalty.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--workers", "3", "--threads", "4", "--worker-tmp-dir", "/dev/shm", "--no-control-socket", "--access-logfile", "-"]
