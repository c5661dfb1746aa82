# Benchmarks: bench/X_bench.cc is a program of its own. Meant for the release preset.
file(GLOB bench_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*_bench.cc)
find_package(spdlog QUIET)
add_custom_target(sluice_bench)
foreach(source ${bench_sources})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/bench)
  target_link_libraries(${name} PRIVATE sluice_flags sluice_lib_static fmt::fmt-header-only
    nlohmann_json::nlohmann_json)
  if(spdlog_FOUND)
    # Its headers are not ours to keep free of warnings. Only for comparison, never in the library.
    target_link_libraries(${name} PRIVATE spdlog::spdlog)
    target_compile_definitions(${name} PRIVATE SLUICE_BENCH_SPDLOG)
  endif()
  add_dependencies(sluice_bench ${name})
endforeach()
