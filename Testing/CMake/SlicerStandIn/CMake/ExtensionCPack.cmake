# Slicer's packaging needs both files, and the generated configuration before it.
foreach(name README LICENSE)
  if(NOT EXISTS "${EXTENSION_${name}_FILE}")
    message(FATAL_ERROR "EXTENSION_${name}_FILE: there is no file ${EXTENSION_${name}_FILE}")
  endif()
endforeach()
if(NOT EXISTS "${CMAKE_BINARY_DIR}/description.txt")
  message(FATAL_ERROR "include(\${Slicer_EXTENSION_GENERATE_CONFIG}) must come before the packaging")
endif()
