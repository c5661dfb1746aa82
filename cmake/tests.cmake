# Every tests/**/X_test.cc is a program of its own, named by its path: kill and fork tests need
# their own process, and one broken test stops no other.
#
# A test that cannot run under a sanitizer (it forks from many threads, is traced, counts page
# faults or system calls) says in its first 20 lines, with why, under which it runs: a comment line
# "// sanitizers: none" or "// sanitizers: address". It is not built in the other such presets.
# One that cannot run in an emulator of another processor says "// emulator: no" and why.
set(SLUICE_TEST_TIMEOUT 900 CACHE STRING "Seconds that a test may take")
set(SLUICE_TESTS "" CACHE STRING "Build only the tests whose names match this regular expression")
if(WIN32)
  # Its source, from scripts/install_cross.sh: nobody packages it for Windows.
  add_subdirectory(${SLUICE_CROSS}/src/googletest/googletest googletest EXCLUDE_FROM_ALL)
else()
  find_package(GTest REQUIRED)
endif()
find_package(Python3 REQUIRED COMPONENTS Interpreter)

# What has one thread and nothing for ThreadSanitizer to find, and what is a model of memory itself.
set(SLUICE_ONE_THREAD "/tests/(base|record|segment|region|store|explorer)/")
set(SLUICE_MODELS "/tests/explorer/")

# True in `out` when the file may be part of this build.
function(sluice_runs_here source out)
  set(${out} TRUE PARENT_SCOPE)
  if(CMAKE_CROSSCOMPILING)
    file(STRINGS ${source} head LIMIT_COUNT 20)
    if(head MATCHES "// emulator: no")
      set(${out} FALSE PARENT_SCOPE)
    endif()
  endif()
  if(SLUICE_SANITIZE)
    if(source MATCHES "${SLUICE_MODELS}" OR
       (SLUICE_SANITIZE MATCHES "thread" AND source MATCHES "${SLUICE_ONE_THREAD}"))
      set(${out} FALSE PARENT_SCOPE)
      return()
    endif()
    file(STRINGS ${source} head LIMIT_COUNT 20)
    if(head MATCHES "// sanitizers: ([a-z]+)")
      if(NOT SLUICE_SANITIZE MATCHES "${CMAKE_MATCH_1}")  # its own if(): expanded before the test
        set(${out} FALSE PARENT_SCOPE)
      endif()
    endif()
  endif()
endfunction()

# How a test is compiled, hot or cold; and the headers of other libraries that it is spared.
function(sluice_test_options target kind)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${target} PRIVATE SLUICE_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}"
    SLUICE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE sluice_flags fmt::fmt-header-only
    nlohmann_json::nlohmann_json GTest::gtest)
  if(kind STREQUAL "cold")
    target_compile_options(${target} PRIVATE -O0)
  endif()
  if(SLUICE_SANITIZE MATCHES "undefined")
    target_compile_options(${target} PRIVATE -fno-sanitize=undefined)
  endif()
endfunction()

# g++ reads the whole of a precompiled header each time: there more of it costs what it saves.
set(test_headers <gtest/gtest.h>)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  list(APPEND test_headers ${SLUICE_HEAVY_HEADERS} <fstream> <random> <sstream>)
endif()
sluice_header_holder(sluice_test_headers ${test_headers})
sluice_test_options(sluice_test_headers cold)
# As programs are compiled, not as libraries are. (For Windows it is the same.)
set_target_properties(sluice_test_headers PROPERTIES POSITION_INDEPENDENT_CODE OFF)
if(NOT WIN32)
  target_compile_options(sluice_test_headers PRIVATE -fPIE)
endif()

file(GLOB_RECURSE test_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*_test.cc)
foreach(source ${test_sources})
  sluice_runs_here(${source} runs)
  if(NOT runs)
    continue()
  endif()
  file(RELATIVE_PATH name ${PROJECT_SOURCE_DIR}/tests ${source})
  string(REGEX REPLACE "\\.cc$" "" name ${name})
  string(REPLACE "/" "." name ${name})
  if(SLUICE_TESTS AND NOT name MATCHES "${SLUICE_TESTS}")
    continue()
  endif()
  if(NOT TARGET sluice_upload AND name MATCHES "^(net\\.|upload\\.|cli\\.upload)")
    continue()
  endif()
  # What starts the command.
  if(NOT TARGET sluice AND name MATCHES "^(cli\\.|append\\.either_server|upload\\.end_to_end)")
    continue()
  endif()
  add_executable(${name} ${source})
  # A test's own code, where it is not what is tested: inlined calls, models that run for long.
  if(SLUICE_SANITIZE OR NOT name MATCHES "^(contract|explorer|front|ring)\\.")
    sluice_test_options(${name} cold)
    sluice_precompiled_by(${name} sluice_test_headers)
  else()
    # Without: g++ would warn of what it inlines from a precompiled header of another library.
    sluice_test_options(${name} hot)
  endif()
  target_link_libraries(${name} PRIVATE sluice_lib_static GTest::gtest_main)
  if(name MATCHES "^compat\\.")
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/include/sluice/compat)
  endif()
  if(TARGET sluice_daemon AND name MATCHES "^(append_server|collector)\\.")
    target_link_libraries(${name} PRIVATE sluice_daemon)
  endif()
  if(TARGET sluice_upload AND name MATCHES "^(net|upload|cli)\\.")
    target_link_libraries(${name} PRIVATE sluice_upload OpenSSL::SSL)
  endif()
  if(TARGET sluice)
    add_dependencies(${name} sluice)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${SLUICE_TEST_TIMEOUT})
endforeach()

# The examples are part of the documentation: they must run, and the checkers in them must pass.
# Each starts in an empty folder.
function(sluice_example_test name)
  if(NOT TARGET example_${name})
    return()
  endif()
  sluice_runs_here(${PROJECT_SOURCE_DIR}/examples/${name}.cc runs)
  if(runs)
    set(data ${PROJECT_BINARY_DIR}/example_data/${name})
    add_test(NAME example.${name} COMMAND sh -c
      "rm -rf '${data}' && mkdir -p '${data}' && cd '${data}' && exec \"$@\"" sh
      $<TARGET_FILE:example_${name}> ${ARGN})
    set_tests_properties(example.${name} PROPERTIES TIMEOUT ${SLUICE_TEST_TIMEOUT})
  endif()
endfunction()
sluice_example_test(hello)
sluice_example_test(loggers)
sluice_example_test(game --frames 30)
sluice_example_test(crash --kills 3)
sluice_example_test(store_logging 0.3)
sluice_example_test(collected 2)
sluice_example_test(multi_event_upload)

if(NOT SLUICE_SANITIZE AND NOT CMAKE_CROSSCOMPILING)
  # spdlog's own example over the shim, beside the real one; skipped where there is no such example.
  add_test(NAME compat.spdlog_example
    COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/compat/spdlog_example_test.py
      --compiler ${CMAKE_CXX_COMPILER} --library $<TARGET_FILE:sluice_lib_static>)
  set_tests_properties(compat.spdlog_example PROPERTIES TIMEOUT ${SLUICE_TEST_TIMEOUT}
    SKIP_RETURN_CODE 77)
  add_test(NAME tidy COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/scripts/tidy.py)
  add_test(NAME tidy_self_test
    COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/scripts/tidy.py --self-test)
endif()
