# What a build for Windows is made of: the calls into the system come from src/os/windows, and there
# is no store, because there is no SQLite to link.
set(SLUICE_PORTABLE_OS calendar io_all os_error processor)

# The files of a layer that this build compiles, in `out`.
function(sluice_sources layer out)
  set(root ${PROJECT_SOURCE_DIR}/src)
  file(GLOB sources CONFIGURE_DEPENDS ${root}/${layer}/*.cc)
  if(WIN32 AND layer STREQUAL "os")
    file(GLOB sources CONFIGURE_DEPENDS ${root}/os/windows/*.cc)
    list(TRANSFORM SLUICE_PORTABLE_OS REPLACE "(.+)" "${root}/os/\\1.cc" OUTPUT_VARIABLE portable)
    list(APPEND sources ${portable})
  elseif(WIN32)
    list(FILTER sources EXCLUDE REGEX
      "/(sink/(make_store|store_sink)|runtime/(commit_watch|store))\\.cc$")
    if(layer STREQUAL "sink")
      list(APPEND sources ${root}/sink/without_store/make_store.cc)
    endif()
  endif()
  set(${out} ${sources} PARENT_SCOPE)
endfunction()
