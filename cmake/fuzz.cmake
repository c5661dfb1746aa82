# libFuzzer targets (clang): tests/fuzz/X_fuzz.cc with its corpus in tests/fuzz/corpus/X/.
file(GLOB fuzz_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/*_fuzz.cc)
add_custom_target(sluice_fuzz)
foreach(source ${fuzz_sources})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE sluice_flags sluice_lib_static fmt::fmt-header-only
    nlohmann_json::nlohmann_json)
  add_dependencies(sluice_fuzz ${name})
endforeach()
