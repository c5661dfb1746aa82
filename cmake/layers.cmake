# One object library a folder of src/. A layer sees only the layers below it: its include path is
# the whole of src/, but scripts/tidy checks the #include lines against the same list.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)

add_library(sluice_flags INTERFACE)
target_compile_options(sluice_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow -Werror)
target_include_directories(sluice_flags INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
target_link_libraries(sluice_flags INTERFACE Threads::Threads)
if(SLUICE_SANITIZE)
  # Public: everything that links the library must carry the same instrumentation.
  add_compile_options(-fsanitize=${SLUICE_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SLUICE_SANITIZE})
  if(SLUICE_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()

set(SLUICE_LIBRARY_OBJECTS)
function(sluice_layer name)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cc)
  if(NOT sources)
    return()
  endif()
  add_library(sluice_${name} OBJECT ${sources})
  target_link_libraries(sluice_${name} PRIVATE sluice_flags fmt::fmt nlohmann_json::nlohmann_json)
  target_compile_definitions(sluice_${name} PRIVATE SLUICE_VERSION="${PROJECT_VERSION}")
  list(APPEND SLUICE_LIBRARY_OBJECTS $<TARGET_OBJECTS:sluice_${name}>)
  set(SLUICE_LIBRARY_OBJECTS ${SLUICE_LIBRARY_OBJECTS} PARENT_SCOPE)
endfunction()

foreach(layer base os ring record region segment front back sink runtime)
  sluice_layer(${layer})
endforeach()

foreach(kind STATIC SHARED)
  string(TOLOWER ${kind} suffix)
  add_library(sluice_lib_${suffix} ${kind} ${SLUICE_LIBRARY_OBJECTS})
  set_target_properties(sluice_lib_${suffix} PROPERTIES OUTPUT_NAME sluice EXPORT_NAME ${suffix}
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
  target_include_directories(sluice_lib_${suffix} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
  target_compile_features(sluice_lib_${suffix} PUBLIC cxx_std_20)
  target_link_libraries(sluice_lib_${suffix} PRIVATE $<BUILD_INTERFACE:fmt::fmt> PUBLIC Threads::Threads)
  add_library(sluice::${suffix} ALIAS sluice_lib_${suffix})
endforeach()
add_library(sluice::sluice ALIAS sluice_lib_static)

file(GLOB cli_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/cli/*.cc)
if(cli_sources)
  find_package(CLI11 REQUIRED)
  add_executable(sluice ${cli_sources})
  target_compile_definitions(sluice PRIVATE SLUICE_VERSION="${PROJECT_VERSION}")
  target_link_libraries(sluice PRIVATE sluice_flags sluice_lib_static fmt::fmt CLI11::CLI11
    nlohmann_json::nlohmann_json)
endif()
