# The images of Lockstep:
#   docker build --target operator -t localhost/lockstep/operator:dev .
#   docker build --target runtime -t localhost/lockstep/runtime:dev .
# Any image with Node.js 26 as `node` does as BASE_IMAGE. BUNDLE=prebuilt takes dist/ from the context, made by
# `npm run bundle`, and needs no package registry: test/cluster/image builds so.
ARG BASE_IMAGE=node:26-slim

FROM --platform=$BUILDPLATFORM ${BASE_IMAGE} AS bundle
ARG BUNDLE=build
ARG TARGETARCH
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN [ "$BUNDLE" = prebuilt ] || npm ci --ignore-scripts
COPY . .
RUN [ "$BUNDLE" = prebuilt ] || node build/bundle.ts ${TARGETARCH:+--arch "$TARGETARCH"}
RUN mkdir /empty

FROM ${BASE_IMAGE} AS operator
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Lockstep operator" \
      org.opencontainers.image.description="Runs InferenceServices on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
# One arena for all threads: each of its own would keep what it once needed.
ENV NODE_ENV=production MALLOC_ARENA_MAX=1
WORKDIR /app
COPY --from=bundle /src/dist/operator ./
USER 65532:65532
EXPOSE 8080 8082
# V8 would let the heap grow to four times what is alive, and give new objects 64 MB before it looks at any of them: with
# 500 InferenceServices another 110 MiB, which saves no CPU time that can be measured.
ENTRYPOINT ["node", "--heap-growing-percent=100", "--max-semi-space-size=8", "/app/operator.mjs"]

# Alone: docker run -p 127.0.0.1:8080:8080 -v "$PWD/examples/models:/models:ro" \
#          -e LOCKSTEP_STORAGE_URI=file:///models/digits localhost/lockstep/runtime:dev
# As SageMaker does: docker run -p 127.0.0.1:8080:8080 -v "$PWD/examples/models/digits:/opt/ml/model:ro" \
#          localhost/lockstep/runtime:dev serve
FROM ${BASE_IMAGE} AS runtime
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Lockstep runtime" \
      org.opencontainers.image.description="Serves models over the Open Inference Protocol, and more, by HTTP and gRPC" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      com.amazonaws.sagemaker.capabilities.accept-bind-to-port="true"
# One arena for all threads: each of its own would keep what tensors once filled.
ENV NODE_ENV=production MALLOC_ARENA_MAX=1
WORKDIR /app
COPY --from=bundle /src/dist/runtime ./
# The only folder that is written to, beside /tmp; mount volumes on both where the root file system is read-only.
COPY --from=bundle --chown=65532:65532 /empty /var/lib/lockstep
USER 65532:65532
EXPOSE 8080 9000
# Bodies and tensors lie outside of V8's heap, but count as if they were in it. A heap as small as this one V8 marks anew
# each time a few of them have come, some ten times a second with images as requests: a fifth of all CPU time. So it may
# grow to two and a half times what is alive. More, or larger semi-spaces, add to the memory under load and save nothing.
ENTRYPOINT ["node", "--heap-growing-percent=150", "--max-semi-space-size=4", "--no-allocation-site-pretenuring", "/app/runtime.mjs"]
