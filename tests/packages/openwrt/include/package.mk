# Stands for OpenWrt's: `make install DEST=...` does what a package's recipe says, `make facts` tells its variables. Of
# several packages it is the one that is called PACKAGE; OpenWrt builds each with the BUILD_VARIANT that it names.
PACKAGE ?= poblano

define BuildPackage
  $(if $(filter $(PACKAGE),$(1)),$(call OnePackage,$(1)))
endef

define OnePackage
  $(eval $(Package/$(1)))
  install: ; $(call Package/$(1)/install,$(DEST))
  build: ; $(Build/Prepare)$(newline)$(Build/Compile)
  facts: ; @printf '%s\n' 'name $(PKG_NAME)' 'version $(PKG_VERSION)' 'depends $(strip $(DEPENDS))' \
	'conffiles $(strip $(Package/$(1)/conffiles))' 'described $(if $(Package/$(1)/description),yes)'
endef

define newline


endef
