# Stands for the one of OpenWrt's packages feed: tells which crate would be compiled, and how.
RUST_ARCH_DEPENDS := @(mipsel||aarch64||x86_64)
CARGO_PKG_PROFILE := release
CARGO_PKG_ARGS := --locked
define Build/Compile/Cargo
@test -f $(PKG_BUILD_DIR)/$(1)/Cargo.toml && echo compiles $(1) --profile $(CARGO_PKG_PROFILE) $(CARGO_PKG_ARGS)
endef
