# ACSeg on the command line, without a GPU:  docker build -t acseg .
#   docker run --rm -v "$PWD:/data" acseg fill tomogram.mrc sparse.seg.nrrd -o cell.seg.nrrd
# Memory and cores are those that the container may use (docker run --memory 16g --cpus 8).
FROM python:3.12-slim AS build
COPY . /source
RUN pip wheel --no-deps --wheel-dir /wheels /source

FROM python:3.12-slim
COPY --from=build /wheels /wheels
COPY constraints.txt /wheels/
RUN pip install --no-cache-dir -c /wheels/constraints.txt "$(echo /wheels/acseg-*.whl)[files,predict,measure,figures]" \
    && rm -r /wheels
# compiled loops are kept here, also for a user without a home
ENV NUMBA_CACHE_DIR=/tmp/numba
WORKDIR /data
ENTRYPOINT ["acseg"]
CMD ["--help"]
