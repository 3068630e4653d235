# Stands for the one of OpenWrt's packages feed: tells which crate would be compiled.
RUST_ARCH_DEPENDS := @(mipsel||aarch64||x86_64)
define Build/Compile/Cargo
@test -f $(PKG_BUILD_DIR)/$(1)/Cargo.toml && echo compiles $(1)
endef
