# Builds the release binary, and an image that holds nothing else.
FROM rust:1.95.0-bookworm AS build
# The image's own toolchain, without the components for development.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
RUN cargo build --locked --profile dist --package rungate-server --bin rungate \
    && install -d -o 65532 -g 65532 -m 0700 /data

# C library, certificates, and the user 65532; no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/dist/rungate /usr/local/bin/rungate
COPY --from=build --chown=65532:65532 /data /data
COPY LICENSE crates/rungate-llm/catalogue/LICENSE.litellm.md /usr/share/doc/rungate/
ENV RUNGATE_SERVER_LISTEN=0.0.0.0:8787 \
    RUNGATE_STORE_DATA=/data \
    RUNGATE_LOG_FORMAT=json
USER 65532:65532
VOLUME /data
EXPOSE 8787
ENTRYPOINT ["/usr/local/bin/rungate"]
CMD ["serve"]
