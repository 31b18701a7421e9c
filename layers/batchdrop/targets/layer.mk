# Builds the layer for `sam build`. Which architecture and which Python is in the path of the including Makefile:
# SAM tells a makefile neither, but it does resolve the parameters in the path (`ContextPath` in the template).
HERE := $(abspath $(dir $(firstword $(MAKEFILE_LIST))))

build-Library:
	@python3 $(HERE)/../../layer.py "$(ARTIFACTS_DIR)/python" $(notdir $(HERE)) $(notdir $(patsubst %/,%,$(dir $(HERE))))
