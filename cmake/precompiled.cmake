# Precompiled headers, of other libraries and never our own. Half of the time of a sanitizer's build
# was the parsing of headers. The library and the command do without in the other presets, which
# thus find a missing #include (outside the core the dev preset only, where files are not joined).

# Compiles the headers for this target.
function(sluice_precompile target)
  target_precompile_headers(${target} PRIVATE ${ARGN})
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # ccache then knows the header by what is in it, not by when it was written.
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  endif()
endfunction()

# Takes those of the other target, which must have the same flags.
function(sluice_precompiled_by target holder)
  target_precompile_headers(${target} REUSE_FROM ${holder})
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  endif()
endfunction()

# A target with nothing of its own, to hold such headers for many.
function(sluice_header_holder holder)
  set(empty ${PROJECT_BINARY_DIR}/${holder}.cc)
  file(CONFIGURE OUTPUT ${empty} CONTENT "")
  add_library(${holder} OBJECT ${empty})
  sluice_precompile(${holder} ${ARGN})
endfunction()
