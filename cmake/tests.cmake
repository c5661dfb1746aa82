# Every tests/**/X_test.cc is a program of its own, named by its path: kill and fork tests need
# their own process, and one broken test stops no other.
find_package(GTest REQUIRED)

file(GLOB_RECURSE test_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*_test.cc)
foreach(source ${test_sources})
  file(RELATIVE_PATH name ${PROJECT_SOURCE_DIR}/tests ${source})
  string(REGEX REPLACE "\\.cc$" "" name ${name})
  string(REPLACE "/" "." name ${name})
  add_executable(${name} ${source})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE SLUICE_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}"
    SLUICE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE sluice_flags sluice_lib_static fmt::fmt
    nlohmann_json::nlohmann_json GTest::gtest GTest::gtest_main)
  if(name MATCHES "^explorer\\." AND SLUICE_SANITIZE MATCHES "thread")
    # One thread that switches stacks: nothing to find, and fibers are slow under it.
    target_compile_options(${name} PRIVATE -fno-sanitize=thread)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
endforeach()
